"""`python -m bulkload`."""

from bulkload.cli import main

if __name__ == "__main__":
    main()
