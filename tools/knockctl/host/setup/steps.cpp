// SPDX-License-Identifier: MIT
//
// The steps that ask and write. start.cpp has those that shut ports.
#include "tools/knockctl/host/setup/steps.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/code.h"
#include "tools/knockctl/host/setup/configuration.h"
#include "tools/knockctl/host/setup/words.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>

namespace xk::tools::setup {
namespace {

using nlohmann::json;

std::string text_of_networks(const std::vector<Prefix>& networks) {
    std::string text;
    for (const Prefix& network : networks)
        text += (text.empty() ? "" : ", ") + network.text();
    return text.empty() ? "nobody" : text;
}

} // namespace

Result<void> Steps::read_existing() {
    if (!is_there(options_.config_file)) {
        if (options_.only == "device" || options_.only == "code" || options_.only == "client" ||
            options_.only == "trial")
            return Error{"there is no " + in_quotes(options_.config_file) + " yet", "knockctl setup",
                         Exit::configuration};
        if (::getpwnam("xknock") == nullptr)
            return Error{"this host has no user \"xknock\", which xknockd runs as",
                         "systemd-sysusers && systemd-tmpfiles --create"};
        return {};
    }
    const std::string identity = options_.config_file.substr(0, options_.config_file.rfind('/') + 1) + "server_id";
    auto config = config::load_config(options_.config_file,
                                      is_there(identity) ? config::Identity::required : config::Identity::absent);
    if (config) {
        config_ = *std::move(config);
        // Where the daemon is to be asked, unless --socket says it.
        if (control_.socket == Control().socket)
            control_.socket = config_->run_directory + "/control.sock";
        return {};
    }
    if (options_.replace)
        return {};
    return std::move(config).error().within("the configuration that is there has faults");
}

Result<void> Steps::decide_about_existing() {
    if (!config_)
        return {};
    keeps_ = !options_.replace;
    if (!keeps_)
        return {};
    if (auto kept = check_kept(*config_, options_, around_); !kept)
        return kept;
    console_.say("\n" + options_.config_file + " is there: it hides " + services_text(*config_) + ", and lets in " +
                 text_of_networks(config_->allow) + " without a knock.");
    if (options_.yes || !wants("config") || trial_)
        return {};
    const auto keep = ask_yes_no(console_, "Keep it", true);
    if (!keep)
        return keep.error();
    keeps_ = *keep;
    return {};
}

KnownDevice Steps::known_device() const {
    if (!config_ || config_->policy.credentials.empty())
        return {};
    const authz::Credential& first = config_->policy.credentials.front();
    KnownDevice known{std::string(first.user.view()), std::string(first.device.view())};
    // One that the options name and that is there is meant.
    for (const authz::Credential& credential : config_->policy.credentials)
        if (credential.user.view() == options_.user &&
            (options_.device.empty() || credential.device.view() == options_.device))
            known = {options_.user, std::string(credential.device.view())};
    return known;
}

Result<void> Steps::ask_all() {
    if (wants("config") && !keeps_)
        if (auto done = ask_configuration(console_, options_, around_, answers_); !done)
            return done;
    if (options_.only == "config" || options_.only == "trial")
        return {};
    return ask_device(console_, options_, around_, facts_of_this_host(), known_device(), answers_);
}

bool Steps::is_enrolled() const {
    return config_ && std::ranges::count(config_->policy.credentials, answers_.user + "/" + answers_.device,
                                         &authz::Credential::label) > 0;
}

// Reads the new configuration as the daemon will, and asks the doctor what would be in its way.
Result<void> Steps::weigh(const std::string& text) {
    auto config = check_text(options_.config_file, text);
    if (!config)
        return config.error();
    config_ = *std::move(config);
    if (control_.socket == Control().socket)
        control_.socket = config_->run_directory + "/control.sock";
    bool problem = false;
    for (const Finding& finding : find_obstacles(*config_)) {
        problem |= finding.severity == Severity::problem;
        console_.say(std::string(finding.severity == Severity::problem ? "problem" : "advice") + ": " +
                     finding.message + (finding.hint.empty() ? "" : "\n  hint: " + finding.hint));
    }
    if (!problem)
        return {};
    const Error error{"something is in the way of those who would have a grant: see above", "mend it, and try again"};
    if (options_.yes)
        return error;
    const auto go_on = ask_yes_no(console_, "Go on all the same", false);
    if (!go_on)
        return go_on.error();
    return *go_on ? Result<void>() : Result<void>(error);
}

Result<void> Steps::confirm_summary() {
    std::string text = "\nSo:\n";
    if (!keeps_)
        text += "  hidden            " + text_of(answers_.hidden) + "\n  without a knock   " +
                text_of_networks(answers_.allow) + "\n  knocks come in    by " + join(answers_.interfaces, ", ") +
                ", udp/" + std::to_string(answers_.port) + "\n";
    if (options_.only != "config")
        text += "  first to knock    " + answers_.user + "/" + answers_.device + ", who comes to " + answers_.login +
                "@" + answers_.hosts.front() + "\n";
    console_.say(text + "No port is shut yet.");
    if (options_.yes)
        return {};
    const auto write = ask_yes_no(console_, "Write this", true);
    if (!write)
        return write.error();
    return *write ? Result<void>() : Result<void>(Error{"nothing was agreed on", {}});
}

Result<void> Steps::configure() {
    report_["config"] = options_.config_file;
    report_["config_written"] = false;
    if (keeps_)
        return {};
    const std::string text = configuration_text(answers_);
    if (auto done = put_configuration(options_.config_file, text, options_.replace || is_there(options_.config_file));
        !done)
        return done;
    wrote_ = true;
    report_["config_written"] = true;
    console_.say("wrote " + options_.config_file);
    return {};
}

Result<void> Steps::enrol() {
    auto device = enrol_first_device(options_.config_file, answers_, options_.profile_file);
    if (!device)
        return device.error();
    device_ = *std::move(device);
    enrolled_ = true;
    for (const std::string& file : device_.written)
        console_.say("wrote " + file);
    if (!device_.is_new)
        console_.say(answers_.user + "/" + answers_.device + " is enrolled already");
    report_["user"] = answers_.user;
    report_["device"] = answers_.device;
    report_["device_new"] = device_.is_new;
    report_["profile"] = device_.profile.empty() ? json() : json(device_.profile);
    auto config = config::load_config(options_.config_file);
    if (!config)
        return config.error();
    config_ = *std::move(config);
    // A daemon that runs knocks with the files that it has read.
    if ((device_.is_new || wrote_) && control_.somebody_answers())
        if (auto done = control_.ask({{"verb", "reload"}}); !done)
            return done.error();
    return {};
}

Result<void> Steps::show_code() {
    const auto secret = read_code_secret(*config_, answers_.user, answers_.device);
    if (!secret)
        return secret.error();
    if (!has_codes(secret->kind))
        return {};
    const bool is_shown = ::isatty(STDOUT_FILENO) != 0;
    const auto show = [&] {
        show_code_secret(console_, *secret, answers_.user, answers_.device, answers_.hosts.front(), options_.no_qr);
    };
    if (options_.yes) {
        // The output of --yes is kept by whatever runs it.
        if (device_.is_new && is_shown)
            show();
        console_.say("No code was checked (--yes)" +
                     std::string(device_.is_new && !is_shown ? ", and the secret of the codes was not printed" : "") +
                     ": knockctl setup --only code shows its QR code and checks one.");
        return {};
    }
    if (device_.is_new || options_.only == "code")
        show();
    const auto proved = prove_code(console_, *secret, show);
    if (!proved)
        return proved.error();
    if (!*proved)
        console_.say("  No code was checked: the trial will show whether they fit.");
    return {};
}

std::string Steps::what_stays() const {
    if (trial_)
        return "the trial goes on, and ends by itself: then the ports are open again. \"knockctl setup\" watches it "
               "again; \"knockctl confirm\" keeps the gate";
    if (enrolled_)
        return "no port was shut; " + options_.config_file + " and " + answers_.user + "/" + answers_.device +
               " are there, and \"knockctl setup\" goes on from there";
    if (wrote_)
        return "no port was shut; " + options_.config_file + " is there, and \"knockctl setup\" goes on from there";
    return "nothing was written, and no port was shut";
}

} // namespace xk::tools::setup
