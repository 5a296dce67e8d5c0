"""Races of steepest against other libraries on the same objectives; see README.md beside this file."""
