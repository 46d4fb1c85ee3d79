// SPDX-License-Identifier: MIT
#include "tools/knockctl/setup_command_line.h"

namespace xk::tools {
namespace {

void add_answers(CLI::App& sub, SetupOptions& options) {
    sub.add_option("--interface", options.interfaces, "where knocks come in; may be there several times");
    sub.add_option("--hide", options.hide, "what is hidden: tcp/22, NAME=tcp/80,tcp/443, or a program that listens");
    sub.add_option("--allow", options.allow, "a network that needs no knock; \"mine\": your own address");
    sub.add_option("--port", options.port, "UDP port of knocks (62201)");
    sub.add_option("--user", options.user, "who knocks first");
    sub.add_option("--device", options.device, "their first device (laptop)");
    sub.add_option("--login", options.login, "the account of this host that they come to by ssh");
    sub.add_option("--factor", options.factor, "second factor: totp, hotp, hmac or none (totp)");
    sub.add_option("--host", options.hosts, "name or address by which clients reach this host");
    sub.add_option("--out", options.profile_file, "file for the profile; absent: the spool of the login");
}

} // namespace

CLI::App* add_setup(CLI::App& app, SetupOptions& options) {
    CLI::App* const sub = app.add_subcommand(
        "setup", "from an installed package to a gate that is proved: asks, writes, enrols, starts on trial");
    sub->add_flag("--yes", options.yes, "ask nobody: what the options do not say is as it would be by Enter");
    sub->add_option("--only", options.only, "one step: look, config, device, code, client, trial");
    add_answers(*sub, options);
    sub->add_option("--time", options.time, "how long the trial lasts at most")->capture_default_str();
    sub->add_flag("--replace", options.replace, "write a new configuration, and keep the old one beside it");
    sub->add_flag("--no-start", options.no_start, "write and enrol; shut no port");
    sub->add_flag("--no-trial", options.no_trial, "with --yes and --allow: shut the ports for good at once");
    sub->add_flag("--no-qr", options.no_qr, "no QR code");
    sub->add_option("-c,--config", options.config_file, "configuration file")->capture_default_str();
    return sub;
}

} // namespace xk::tools
