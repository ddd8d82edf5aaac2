"""The same without an installation: `python -m composer.cli`."""

from composer.cli import main

if __name__ == "__main__":
    main()
