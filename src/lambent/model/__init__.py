"""What the platform is about: frozen dataclasses and rules, no I/O."""
