"""The only wiring: whatever a process needs is put together here from `Settings`; all else is handed its parts."""
