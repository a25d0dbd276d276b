"""Goals that the arm sets itself: where it believes that success is, and how it looks."""
