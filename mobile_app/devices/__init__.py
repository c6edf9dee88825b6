"""Thin adapters to what differs between a desktop and a phone, behind `mobile_app.core.interfaces`."""
