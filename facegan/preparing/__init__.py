"""From photographs to a data set: reading photographs, finding and cutting out faces, packing them into one file.

May import `common`.
"""
