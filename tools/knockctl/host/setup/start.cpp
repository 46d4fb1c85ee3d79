// SPDX-License-Identifier: MIT
//
// The steps of the set-up that shut ports, and what comes before them: the client has its profile while ssh is open.
#include "daemon/config/machines.h"
#include "daemon/lifecycle/trial.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/command.h"
#include "tools/knockctl/host/setup/configuration.h"
#include "tools/knockctl/host/setup/leftovers.h"
#include "tools/knockctl/host/setup/steps.h"
#include "tools/knockctl/host/setup/watch.h"
#include "tools/knockctl/host/trial.h"

#include <unistd.h>

#include <algorithm>

namespace xk::tools::setup {
namespace {

using nlohmann::json;

constexpr const char* kUnit = "xknockd.service";
constexpr const char* kUnitsFile = "/etc/xknock/xknock.yaml"; // that the unit starts xknockd with

bool systemd_runs() { return ::access("/run/systemd/system", F_OK) == 0; }

} // namespace

bool Steps::is_allowed_caller() const {
    return around_.caller && std::ranges::any_of(config_->allow, [&](const Prefix& network) {
               return network.contains(*around_.caller);
           });
}

Result<void> Steps::tell_client() {
    const std::string there = answers_.login + "@" + answers_.hosts.front();
    if (!options_.profile_file.empty() || (!device_.is_new && !waits_in_spool(answers_.login, answers_.device))) {
        console_.say("\nOn " + answers_.user + "'s " + answers_.device + ", with the profile in ~/.config/xknock:\n\n" +
                     "  ssh -o ProxyCommand='knock-client proxy -- %h %p' " + there + "\n");
        return {};
    }
    console_.say("\nOn " + answers_.user + "'s " + answers_.device +
                 ", as long as ssh is open, this fetches the profile:\n\n  knock-client enroll " + there +
                 "\n\nand when the port is shut, this knocks and logs in:\n\n"
                 "  ssh -o ProxyCommand='knock-client proxy -- %h %p' " +
                 there + "\n");
    return {};
}

// The profile comes over ssh, so the port stays open until it is there.
Result<void> Steps::wait_until_fetched() {
    if (!options_.profile_file.empty() || !waits_in_spool(answers_.login, answers_.device) ||
        (options_.yes && is_allowed_caller()))
        return {};
    const auto time = parse_trial_time(options_.time);
    const BootTime until = BootClock::now() + *time;
    console_.say("Waiting until the profile is fetched; no port is shut before.");
    while (waits_in_spool(answers_.login, answers_.device)) {
        if (options_.yes && BootClock::now() >= until)
            return Error{"nobody has fetched the profile within " + options_.time,
                         "knock-client enroll " + answers_.login + "@" + answers_.hosts.front() +
                             ", and run the set-up again; --no-start does not wait"};
        const auto line = console_.wait_for_line(std::chrono::milliseconds(300));
        if (!line)
            continue;
        if (line->kind != Line::text)
            return stopped(line->kind);
        const auto start =
            ask_yes_no(console_, "Nobody has fetched it yet. Shut the port all the same, on trial", false);
        if (!start)
            return start.error();
        if (*start)
            return {};
        console_.say("Waiting.");
    }
    console_.say("The profile was fetched.");
    return {};
}

Result<void> Steps::start_trial() {
    const auto time = parse_trial_time(options_.time);
    if (!control_.somebody_answers()) {
        if (!systemd_runs() || options_.config_file != kUnitsFile)
            return Error{systemd_runs() ? "systemd starts xknockd with " + std::string(kUnitsFile) + " only"
                                        : "there is no systemd here that could start xknockd",
                         "start it by hand: xknockd --try " + options_.time + " -c " + as_line(options_.config_file) +
                             "; then: knockctl setup --only trial"};
        auto started = start_on_trial(*config_, *time);
        if (!started)
            return console_.was_interrupted() ? Result<void>(stopped(Line::interrupted)) : started;
    }
    // Another start, without the trial, may have been under way.
    if (auto asked = control_.ask({{"verb", "try"}, {"seconds", time->count()}}); !asked)
        return asked.error();
    trial_ = true;
    report_["state"] = "on trial";
    console_.say("\nThe ports are shut, on trial for " + options_.time +
                 ". Sessions that were there go on. Log in from another terminal, by a knock:\n"
                 "then the gate is confirmed. If nobody does, the ports open again by themselves.");
    if (std::ranges::none_of(config_->policy.services, [](const authz::Service& service) {
            return std::ranges::any_of(service.all_ports(),
                                       [](const PortRange& ports) { return ports.protocol == IpProtocol::tcp; });
        }))
        console_.say("No hidden port is of TCP, and others cannot be watched: when you got in, type "
                     "\"knockctl confirm\".");
    return {};
}

// The caller's own way in is never shut for good before somebody knocked.
Result<void> Steps::check_way_back() const {
    if (around_.caller ? !is_allowed_caller() : config_->allow.empty())
        return Error{around_.caller ? "your own address, " + around_.caller->text() +
                                          ", would have to knock, and nobody has knocked yet"
                                    : "gate.allow is empty, and nobody has knocked yet",
                     "--allow mine, or another network that you come from; or leave --no-trial out"};
    return {};
}

Result<void> Steps::start_for_good() {
    for (const char* const verb : {"enable", "start"})
        if (auto done = run_systemctl(verb); !done)
            return done;
    console_.say("xknockd runs, and starts at boot. It was not on trial: nobody has proved that a knock opens.");
    report_["state"] = "running";
    return {};
}

// The trial was confirmed.
Result<void> Steps::stay() {
    trial_ = false;
    report_["state"] = "confirmed";
    if (!systemd_runs() || options_.config_file != kUnitsFile) {
        console_.say("See to it that xknockd starts at boot: systemd does not do it with this configuration.");
        return {};
    }
    if (auto done = run_systemctl("enable"); !done)
        return done;
    console_.say("xknockd starts at boot. Who else may knock: knockctl user add. What is wrong: knockctl doctor.");
    return {};
}

Result<void> Steps::watch() {
    Sightings sightings(read_connections());
    const auto end = watch_trial(console_, control_, *config_, sightings);
    if (!end)
        return end.error();
    if (*end != TrialEnd::over)
        return stay();
    trial_ = false;
    report_["state"] = "over";
    return Error{"the gate was not proved", "mend what is named above, and: knockctl setup"};
}

Result<void> Steps::start() {
    report_["state"] = "not started";
    const auto status = control_.ask({{"verb", "status"}});
    if (status && !status->value("trial_ends_in_s", json()).is_number()) {
        // A gate that somebody confirmed: there is nothing to prove.
        console_.say("\nxknockd runs already, and is not on trial: nothing to start.");
        if (options_.no_start || !systemd_runs())
            return {};
        report_["state"] = "running";
        return output_of({"systemctl", "is-enabled", kUnit}) ? Result<void>() : run_systemctl("enable");
    }
    if (options_.no_start) {
        console_.say(status ? "\nThe gate is on trial, and is left alone (--no-start)."
                            : "\nNo port was shut (--no-start). \"knockctl setup\" goes on from here.");
        report_["state"] = status ? "on trial" : "not started";
        return {};
    }
    if (options_.no_trial)
        return start_for_good();
    if (!status) {
        if (auto fetched = wait_until_fetched(); !fetched)
            return fetched;
        if (!options_.yes) {
            const auto now = ask_yes_no(console_, "Shut the ports now, on trial for " + options_.time, true);
            if (!now)
                return now.error();
            if (!*now) {
                console_.say("No port was shut. \"knockctl setup\" goes on from here.");
                return {};
            }
        }
        if (auto started = start_trial(); !started)
            return started;
    } else {
        trial_ = true;
        report_["state"] = "on trial";
        console_.say("\nThe gate is on trial already: log in from another terminal, by a knock.");
    }
    return watch();
}

Result<void> Steps::run() {
    around_ = look_around();
    console_.say(text_of(around_));
    if (options_.only == "look")
        return {};
    const std::string etc = config::directory_of(options_.config_file);
    for (const std::string& directory : {etc, etc + "/users", etc + "/credentials"})
        if (auto clean = remove_leftovers(directory); !clean)
            return clean;
    if (auto read = read_existing(); !read)
        return read;
    const auto status = config_ ? control_.ask({{"verb", "status"}}) : Result<json>(Error{});
    trial_ = status && status->value("trial_ends_in_s", json()).is_number();
    if (auto decided = decide_about_existing(); !decided)
        return decided;
    // Who lost their session on trial, and came back by a knock, is the proof that is waited for.
    if (trial_ && keeps_ && options_.only.empty() && !options_.yes)
        return start();
    if (auto asked = ask_all(); !asked)
        return asked;
    if (!keeps_ && wants("config"))
        if (auto weighed = weigh(configuration_text(answers_)); !weighed)
            return weighed;
    if (options_.no_trial && config_)
        if (auto safe = check_way_back(); !safe)
            return safe;
    const bool writes = (wants("config") && !keeps_) || (wants("device") && !is_enrolled());
    if (writes)
        if (auto agreed = confirm_summary(); !agreed)
            return agreed;
    using Step = Result<void> (Steps::*)();
    for (const auto& [name, step] : {std::pair<const char*, Step>("config", &Steps::configure),
                                     {"device", &Steps::enrol},
                                     {"code", &Steps::show_code},
                                     {"client", &Steps::tell_client},
                                     {"trial", &Steps::start}})
        if (wants(name)) {
            if (console_.was_interrupted())
                return stopped(Line::interrupted);
            if (auto done = (this->*step)(); !done)
                return done;
        }
    return {};
}

} // namespace xk::tools::setup
