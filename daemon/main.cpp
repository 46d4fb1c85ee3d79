// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/early_gate.h"
#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/startup.h"
#include "daemon/lifecycle/version.h"
#include "daemon/log.h"
#include "daemon/privsep/privileges.h"
#include "daemon/xdp/links.h"
#include "protocol/base/output.h"

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iostream>

namespace {

using namespace xk;

int finish(const Result<void>& result) {
    if (result)
        return static_cast<int>(Exit::ok);
    log::error(result.error());
    return static_cast<int>(result.error().exit);
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    CLI::App app("xknockd: keeps ports shut until an authenticated knock opens them for one address");
    Options options{"/etc/xknock/xknock.yaml", XK_WORKER_EXECUTABLE, XK_HOOKS_EXECUTABLE, {}, false, false};
    bool verbose = false, check = false, remove = false;
    std::string trial;
    app.add_option("-c,--config", options.config_file, "configuration file")->capture_default_str();
    app.add_option("--worker", options.worker_executable, "the worker's executable")->capture_default_str();
    app.add_option("--hooks", options.hooks_executable, "the executable that runs hooks")->capture_default_str();
    app.add_flag("-v,--verbose", verbose, "log retries too");
    app.add_flag("--check", check, "read the configuration, say what is wrong, change nothing");
    auto* const remove_flag =
        app.add_flag("--remove", remove, "take away ruleset, filter and files in /run: the ports are open then");
    auto* const try_option = app.add_option(
        "--try", trial, "on trial: after this time (5m) all is taken away, unless \"knockctl confirm\" comes before");
    app.add_flag("--dry-run", options.dry_run, "judge knocks and log them, but shut, open and drop nothing")
        ->excludes(try_option)
        ->excludes(remove_flag);
    app.add_flag("--force", options.force, "start although the ssh session that starts it has to knock next time");
    app.set_version_flag("--version", kNameAndVersion);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return finish_output("xknockd", static_cast<int>(app.exit(e) == 0 ? Exit::ok : Exit::usage));
    }
    if (!trial.empty()) {
        auto time = parse_trial_time(trial);
        if (!time) {
            std::cerr << "--try: " << time.error().message << "\n";
            return static_cast<int>(Exit::usage);
        }
        options.trial = *time;
    }
    ::tzset();                     // for users' hours
    std::signal(SIGPIPE, SIG_IGN); // a log that nobody reads any more
    log::begin("xknockd", verbose);
    if (verbose)
        ::setenv("XKNOCK_VERBOSE", "1", 1); // for the worker, and xknock-hooks
    if (check) {
        const auto config = config::load_config(options.config_file);
        for (const std::string& warning : config ? config->warnings : std::vector<std::string>{})
            spdlog::warn("{}", warning);
        if (!config)
            return finish(config.error());
        const auto missing = xdp::missing_interfaces(config->interfaces);
        for (const std::string& line : missing ? *missing : std::vector<std::string>{})
            spdlog::warn("{}", line);
        return finish(missing ? Result<void>() : Result<void>(missing.error()));
    }
    if (remove)
        return finish(remove_traces(options.config_file));

    const auto fail = [&](const Error& error) {
        const int code = finish(error);
        say_shut(options, error);
        return code;
    };
    auto daemon = start_up(options);
    if (!daemon)
        return fail(daemon.error());
    if (auto begun = (*daemon)->begin(); !begun)
        return fail(begun.error());
    // For the exchange of a dispatcher for a link of our own.
    if (!(*daemon)->config().coexist)
        if (auto dropped = privsep::drop_dispatcher_capabilities(); !dropped)
            return finish(dropped);
    return finish((*daemon)->run());
}
