"""Recordings of event cameras and silicon cochleas: found, read, checked, and binned into frames."""
