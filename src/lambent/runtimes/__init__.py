"""What runs inside a sandbox, and the contract it speaks."""
