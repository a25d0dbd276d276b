"""The command line ``priorrl``: one verb, one file. Nothing heavy is imported before a verb runs."""
