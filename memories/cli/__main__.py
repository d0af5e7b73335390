import sys

from memories.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
