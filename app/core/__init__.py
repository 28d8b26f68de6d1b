"""
The centre: what happened (`events`), what to do (`commands`), what is so (`state`), what the
operator wants (`policy`), and the rules that connect them (`machine`). Pure: standard library and
itself only. Start reading at `machine.py`.
"""
