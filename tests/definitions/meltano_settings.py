"""Prints, as JSON, the settings that Meltano would give to a plugin; runs in a Meltano project.

    python meltano_settings.py PLUGIN < settings.json

first sets what it reads, each setting as `meltano config set` does. It is one process for all
settings of a plugin, since each start of Meltano costs more than a second.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from meltano.core.db import project_engine
from meltano.core.migration_service import MigrationService
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.project import Project
from meltano.core.setting_definition import SettingValueJSONEncoder


def main() -> None:
    """Set and print."""
    project = Project.find(Path.cwd())
    plugin = project.plugins.find_plugin(sys.argv[1])
    engine, make_session = project_engine(project)
    MigrationService(engine).upgrade(silent=True)
    with make_session() as session:
        settings = PluginSettingsService(project, plugin)
        for name, text in json.load(sys.stdin).items():
            settings.set([name], text, session=session)
        settings = PluginSettingsService(Project.find(Path.cwd()), plugin)
        given = settings.as_dict(extras=False, process=True, session=session)
    sys.stdout.write("\n" + json.dumps(given, cls=SettingValueJSONEncoder))


if __name__ == "__main__":
    main()
