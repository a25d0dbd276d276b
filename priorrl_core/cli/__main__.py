"""``python -m priorrl_core.cli`` is ``priorrl``."""

from priorrl_core.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
