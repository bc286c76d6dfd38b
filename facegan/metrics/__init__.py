"""How close generated images are to real ones.

May import `common`.
"""
