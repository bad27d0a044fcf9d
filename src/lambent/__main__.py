"""`python -m lambent` is the command `lambent`."""

from lambent.cli.main import main

main()
