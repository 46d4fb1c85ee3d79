// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/setup.h"

#include "daemon/config/machines.h"
#include "daemon/lifecycle/trial.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/steps.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace xk::tools {
namespace {

using nlohmann::json;

Error usage(std::string message, std::string hint) { return {std::move(message), std::move(hint), Exit::usage}; }

Result<void> check_step(const std::string& only) {
    std::string all;
    for (const char* const step : setup::kSteps) {
        if (only.empty() || only == step)
            return {};
        all += (all.empty() ? "" : ", ") + std::string(step);
    }
    return usage(in_quotes(only) + " is not a step of the set-up", all);
}

// Combinations that make no sense, before anything is looked at.
Result<void> check_options(const SetupOptions& options, bool as_json) {
    if (auto step = check_step(options.only); !step)
        return step;
    if (auto time = parse_trial_time(options.time); !time)
        return time.error();
    if (options.no_trial && !options.yes)
        return usage("--no-trial shuts the ports for good at once, and needs --yes",
                     "without both the set-up is proved by a trial first");
    if (options.no_trial && options.no_start)
        return usage("--no-trial starts xknockd, and --no-start does not", "leave one of them out");
    if (options.no_trial && options.allow.empty())
        return usage("--no-trial shuts the ports before anybody has knocked: it needs --allow",
                     "name the network from which you come, so that it needs no knock");
    if (as_json && !options.yes)
        return usage("--json is for --yes: questions are for people", "knockctl setup --yes --json");
    const bool is_person = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
    if (!options.yes && !is_person && options.only != "look")
        return usage("nobody can be asked here: input or output is no terminal",
                     "knockctl setup --yes, with options for the answers (knockctl setup --help)");
    if (::geteuid() != 0)
        return Error{"the set-up writes to /etc and starts xknockd, which only root may", "sudo knockctl setup"};
    return {};
}

// Two set-ups at a time would write over each other. The lock ends with the process. It is not the one of the verbs
// that change users (users/change.h): the set-up enrols as they do.
Result<Fd> lock_set_up() {
    Fd fd(::open("/run/xknock-setup.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd)
        return os_error("opening /run/xknock-setup.lock");
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{"another \"knockctl setup\" is at work", "end it, or let it end", Exit::busy};
    return fd;
}

} // namespace

int set_up(const SetupOptions& options, const Control& control) {
    if (auto fine = check_options(options, control.as_json); !fine)
        return fail(fine.error());
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const auto lock = lock_set_up();
    if (!lock)
        return fail(lock.error());
    setup::Terminal terminal(!options.yes, !control.as_json);
    setup::Steps steps(terminal, options, control);
    auto done = steps.run();
    if (control.as_json)
        std::cout << text_of(steps.report(), 2) << "\n";
    if (done)
        return 0;
    Error error = std::move(done).error();
    if (error.hint.empty())
        error.hint = steps.what_stays();
    else
        terminal.say("\n(" + steps.what_stays() + ")");
    return fail(error);
}

} // namespace xk::tools
