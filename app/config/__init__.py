"""
Every knob, with its unit and default.

Each field is read from the environment as `STEPSTREAM_<NAME>`; `REDIS_URL` is understood too.
Only `bootstrap` and the process entry points read settings; everything else is handed values.
"""

from app.config.settings import OTHER_VARIABLES, BadSettings, Settings, read_settings, unknown_variables

__all__ = ["OTHER_VARIABLES", "BadSettings", "Settings", "read_settings", "unknown_variables"]
