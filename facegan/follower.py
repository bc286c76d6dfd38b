"""What a recorder does in the processes that write nothing, where several train one GAN."""

import time

from facegan import recorder


class Follower(recorder.Recorder):
    """Takes the decisions of the first process's recorder, from the same numbers, and leaves writing to that one.

    It reads the state that the first process saves, so the run folder has to be seen from every host.
    """

    def open_tables(self):
        pass

    def log_step(self, numbers):
        pass

    def log_epoch(self, numbers):
        pass

    def warn(self, finding):
        pass

    def save_state(self):
        self.saved = time.monotonic()

    def save_generator(self):
        return {}

    def discard_after(self, step):
        pass

    def finish(self):
        pass
