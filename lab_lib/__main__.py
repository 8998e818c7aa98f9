"""`python -m lab_lib` is the command `lab`."""

from lab_lib.cli import main

if __name__ == "__main__":
    main()
