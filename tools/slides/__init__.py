"""Slides for the lessons: their own words, and the figures of the chapters that they belong to."""
