"""``python -m worker.cli`` is ``digits``."""

from worker.cli import main

if __name__ == "__main__":
    main()
