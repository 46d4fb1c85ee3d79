// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/early_gate.h"
#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/startup.h"
#include "daemon/lifecycle/version.h"
#include "daemon/log.h"
#include "daemon/xdp/links.h"
#include "protocol/base/output.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iostream>

namespace {

using namespace xk;

struct CommandLine {
    Options options{.config_file = "/etc/xknock/xknock.yaml",
                    .worker_executable = XK_WORKER_EXECUTABLE,
                    .hooks_executable = XK_HOOKS_EXECUTABLE};
    bool verbose = false, check = false, remove = false;
};

int finish(const Result<void>& result) {
    if (result)
        return static_cast<int>(Exit::ok);
    log::error(result.error());
    return static_cast<int>(result.error().exit);
}

void add_options(CLI::App& app, CommandLine& line, std::string& trial) {
    Options& options = line.options;
    app.add_option("-c,--config", options.config_file, "configuration file")->capture_default_str();
    app.add_option("--worker", options.worker_executable, "the worker's executable")->capture_default_str();
    app.add_option("--hooks", options.hooks_executable, "the executable that runs hooks")->capture_default_str();
    app.add_flag("-v,--verbose", line.verbose, "log retries too");
    app.add_flag("--check", line.check, "read the configuration, say what is wrong, change nothing");
    auto* const remove_flag =
        app.add_flag("--remove", line.remove, "take away ruleset, filter and files in /run: the ports are open then");
    auto* const try_option = app.add_option(
        "--try", trial, "on trial: after this time (5m) all is taken away, unless \"knockctl confirm\" comes before");
    app.add_flag("--dry-run", options.dry_run, "judge knocks and log them, but shut, open and drop nothing")
        ->excludes(try_option)
        ->excludes(remove_flag);
    app.add_flag("--force", options.force, "start although the ssh session that starts it has to knock next time");
    app.set_version_flag("--version", kNameAndVersion);
}

// Returns the exit code where the program ends here.
std::optional<int> parse(int argc, char** argv, CommandLine& line) {
    CLI::App app("xknockd: keeps ports shut until an authenticated knock opens them for one address");
    std::string trial;
    add_options(app, line, trial);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return finish_output("xknockd", static_cast<int>(app.exit(e) == 0 ? Exit::ok : Exit::usage));
    }
    if (trial.empty())
        return std::nullopt;
    auto time = parse_trial_time(trial);
    if (!time) {
        std::cerr << "--try: " << time.error().message << "\n";
        return static_cast<int>(Exit::usage);
    }
    line.options.trial = *time;
    return std::nullopt;
}

// xknockd --check
Result<void> check_config(const std::string& file) {
    const auto config = config::load_config(file);
    if (!config)
        return config.error();
    for (const std::string& warning : config->warnings)
        log::warn("{}", warning);
    const auto missing = xdp::missing_interfaces(config->interfaces);
    if (!missing)
        return missing.error();
    for (const std::string& line : *missing)
        log::warn("{}", line);
    return {};
}

int serve(const Options& options) {
    const auto fail = [&](const Error& error) {
        const int code = finish(error);
        report_shut(options, error);
        return code;
    };
    auto daemon = start_up(options);
    if (!daemon)
        return fail(daemon.error());
    if (auto begun = (*daemon)->begin(); !begun)
        return fail(begun.error());
    return finish((*daemon)->run());
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    CommandLine line;
    if (const auto code = parse(argc, argv, line))
        return *code;
    ::tzset();                     // the hours of users are in local time
    std::signal(SIGPIPE, SIG_IGN); // the reader of the log may have ended
    log::begin("xknockd", line.verbose);
    if (line.verbose)
        ::setenv("XKNOCK_VERBOSE", "1", 1); // xknock-hooks reads it
    if (line.check)
        return finish(check_config(line.options.config_file));
    if (line.remove)
        return finish(remove_traces(line.options.config_file));
    return serve(line.options);
}
