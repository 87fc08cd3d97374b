"""What the pages under Govern and Agents show, made of the copies for who may list them.

sight       which objects of a kind the caller sees, and the last run of each instance
approvals   requests, and whether the caller may decide
packs       teams, and how each of their personas is
schedules   past and next ticks
skills      instructions, rights, and who uses them
"""
