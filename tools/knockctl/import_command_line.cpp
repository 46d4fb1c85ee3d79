// SPDX-License-Identifier: MIT
#include "tools/knockctl/import_command_line.h"

namespace xk::tools {

CLI::App* add_import(CLI::App& app, ImportOptions& options) {
    CLI::App* const sub = app.add_subcommand(
        "import", "take over users and services from another program, and say what has no equivalent");
    sub->add_option("kind", options.kind, "whose file it is: capyknock, c-lock, hknock, fwknop, knockd")->required();
    sub->add_option("file", options.file, "the file that the other server reads")->required();
    sub->add_flag("--dry-run", options.dry_run, "report, and write nothing");
    sub->add_flag("--yes", options.yes, "shut the ports of new services without a question");
    sub->add_option("--user", options.user, "name of a user who has none in the file");
    sub->add_option("--service", options.services, "what they may open, where the file does not say it (all)");
    sub->add_option("--port", options.port, "UDP port of fwknop's packets (62201)");
    sub->add_option("--accept-odds", options.accepted_odds, "c-lock: the odds of guessing that you accept, as 5e-4");
    sub->add_flag("--no-reload", options.no_reload, "the daemon reads it later, by knockctl reload");
    return sub;
}

} // namespace xk::tools
