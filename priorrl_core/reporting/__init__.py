"""Reports of runs: intervals, inline SVG curves, inline PNG pictures, one HTML page, ``summary.json``."""
