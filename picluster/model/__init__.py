"""Frozen values, shared by everybody and depending on nobody."""
