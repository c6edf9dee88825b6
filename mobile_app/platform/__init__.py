"""Thin adapters to what differs between a desktop and a phone, behind the interfaces of `interfaces.py`."""
