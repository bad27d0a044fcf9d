"""Redshift over PostgreSQL: its wire, its SQL, COPY."""
