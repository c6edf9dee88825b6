"""The phone app: hold it up, see the dance. Stands on `runtime` alone."""
