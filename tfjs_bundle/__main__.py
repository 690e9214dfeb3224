"""``python -m tfjs_bundle`` is ``tfjs-bundle``."""

from tfjs_bundle.cli import main

if __name__ == "__main__":
    main()
