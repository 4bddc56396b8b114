"""Why a training fails, the smallest change that mends it, and the proof: trainings from many starts, side by side."""
