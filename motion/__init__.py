"""Skeletons, clips, skinning, which bone is which, retargeting; opens no user's file."""
