from hypothesis import settings

# A machine that is busy with something else is no failure: no test asserts a time, hypothesis neither.
settings.register_profile("segue", deadline=None)
settings.load_profile("segue")
