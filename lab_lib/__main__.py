"""`python -m lab_lib` is `lab`, for interpreters whose scripts folder is not on the path."""

from lab_lib.cli import main

if __name__ == "__main__":
    main()
