"""`python -m sim.cli`, the same as `nixfleet-sim`."""

from sim.cli.main import main

if __name__ == "__main__":
    main()
