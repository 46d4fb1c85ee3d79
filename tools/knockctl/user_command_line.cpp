// SPDX-License-Identifier: MIT
#include "tools/knockctl/user_command_line.h"

#include "tools/knockctl/control.h"

namespace xk::tools {

using nlohmann::json;

int unlock(const Control& control, const std::string& who) {
    return control.ask({{"verb", "unlock"}, {"what", who}},
                       [](const json& r) { return "unlocked " + counted(r.value("unlocked", 0u), "device") + "\n"; });
}

CLI::App* UserCommandLine::add_verb(CLI::App& parent, const char* name, const char* description, UserVerb verb) {
    CLI::App* const sub = parent.add_subcommand(name, description);
    sub->callback([this, verb, sub] {
        run_([this, verb, sub] {
            options_.verb = verb;
            options_.config_file = config_file_;
            // The socket's option belongs to knockctl itself.
            const CLI::App* top = sub;
            while (top->get_parent() != nullptr)
                top = top->get_parent();
            options_.socket_is_given = top->count("--socket") > 0;
            return host_.users(options_, control_);
        });
    });
    sub->add_option("-c,--config", config_file_, "configuration file")->capture_default_str();
    sub->add_flag("--json", control_.as_json, "print JSON");
    return sub;
}

void UserCommandLine::add_who(CLI::App* sub, const char* description) {
    sub->add_option("user", options_.who, description)->required();
}

void UserCommandLine::add_profile_options(CLI::App* sub) {
    sub->add_option("--host", options_.hosts, "names and addresses of this server, for the profile");
    sub->add_option("--server", options_.server, "where to knock, if not at the host itself");
    sub->add_option("--out", options_.profile_file, "file for the profile (xknock-USER-DEVICE.yaml)");
    sub->add_option("--login", options_.login, "keep the profile here for this login, for \"knock-client enroll\"");
    sub->add_option("--spool", options_.spool, "where profiles are kept for logins (/var/spool/xknock)");
    sub->add_flag("--machine", options_.machine, "for a machine: factor hmac, whose secret is in the profile");
    sub->add_flag("--bundle", options_.bundle, "the profile as one line, sealed by a passphrase");
    sub->add_option("--passphrase-file", options_.passphrase_file, "of the bundle, its first line; -: standard input");
    sub->add_flag("--portable", options_.portable, "profile and xknock.py in one tar, for a machine without package");
}

void UserCommandLine::add_picture_options(CLI::App* sub) {
    sub->add_option("--png", options_.png, "write the QR code to this file as PNG");
    sub->add_option("--svg", options_.svg, "write the QR code to this file as SVG");
    sub->add_flag("--no-qr", options_.no_qr, "no QR code on the terminal");
}

void UserCommandLine::add_add(CLI::App& parent, const char* name, const char* description) {
    CLI::App* const sub = add_verb(parent, name, description, UserVerb::add);
    add_who(sub, "name of the user, new or known");
    sub->add_option("--device", options_.device, "name of the device (main)");
    sub->add_option("--factor", options_.factor, "second factor: totp, hotp, hmac, none (totp)");
    sub->add_option("--digits", options_.digits, "of a code: 6, 8 (6)");
    sub->add_option("--service", options_.services, "services of a new user (all, also those that come later)");
    sub->add_option("--same-code-as", options_.same_code_as,
                    "take over the code's secret of USER/DEVICE, of a file, or of standard input (-)");
    add_profile_options(sub);
    add_picture_options(sub);
    sub->add_flag("--no-reload", options_.no_reload, "the daemon reads it later, by knockctl reload");
}

void UserCommandLine::add_looking(CLI::App& user) {
    add_verb(user, "list", "users and their devices", UserVerb::list);
    add_who(add_verb(user, "show", "one user, with all that the files and the daemon know", UserVerb::show),
            "the user");
}

void UserCommandLine::add_changing(CLI::App& user) {
    CLI::App* sub = add_verb(user, "set", "change rights of a user or a device", UserVerb::set);
    add_who(sub, "user or user/device");
    sub->add_option("settings", options_.settings, "KEY=VALUE, as in their file; lists with commas; KEY= takes it out")
        ->required();
    sub = add_verb(user, "disable", "let nobody knock as this user or with this device", UserVerb::disable);
    add_who(sub, "user or user/device");
    sub->add_flag("--now", options_.now, "close their grants and end their sessions too");
    add_who(add_verb(user, "enable", "let them knock again", UserVerb::enable), "user or user/device");
    sub =
        add_verb(user, "rename", "give a user or a device another name; its profiles go on to work", UserVerb::rename);
    add_who(sub, "user or user/device");
    sub->add_option("name", options_.new_name, "the new name, of the user or of the device")->required();
    sub = add_verb(user, "remove", "remove a user with all devices, or one device", UserVerb::remove);
    add_who(sub, "user or user/device");
    sub->add_flag("--yes", options_.yes, "without a question");
    sub->add_flag("--now", options_.now, "end their sessions too");
}

void UserCommandLine::add_secrets(CLI::App& user) {
    CLI::App* sub =
        add_verb(user, "rotate", "new key and new code for a device; the old profile ends", UserVerb::rotate);
    add_who(sub, "user/device, or a user with one device");
    sub->add_flag("--code-only", options_.code_only, "a new secret of the code alone; the profile stays");
    add_profile_options(sub);
    add_picture_options(sub);
    sub = add_verb(user, "qr", "show the code's secret again, for an authenticator", UserVerb::qr);
    add_who(sub, "user/device, or a user with one device");
    add_picture_options(sub);
    sub = add_verb(user, "profile", "write the profile again, without the code's secret", UserVerb::profile);
    add_who(sub, "user/device, or a user with one device");
    add_profile_options(sub);
}

void UserCommandLine::add_unlock(CLI::App& user) {
    CLI::App* const sub = user.add_subcommand("unlock", "forget the wrong codes of a user or user/device");
    sub->callback([this] { run_([this] { return unlock(control_, unlocked_); }); });
    sub->add_option("user", unlocked_, "user or user/device")->required();
    sub->add_flag("--json", control_.as_json, "print JSON");
}

void UserCommandLine::add_to(CLI::App& app) {
    CLI::App* const user = app.add_subcommand("user", "people and their devices");
    user->require_subcommand(1);
    add_add(*user, "add", "enroll a device: its files here and the profile for the client");
    add_looking(*user);
    add_changing(*user);
    add_secrets(*user);
    add_unlock(*user);
    add_add(app, "keygen", "the same as \"user add\"");
}

} // namespace xk::tools
