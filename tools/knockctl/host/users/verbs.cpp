// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/verbs.h"

#include "daemon/config/machines.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "tools/knockctl/host/users/delivery.h"
#include "tools/knockctl/host/users/hosts.h"
#include "tools/knockctl/host/users/otpauth.h"
#include "tools/knockctl/host/users/profile_text.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

namespace xk::tools {
namespace {

using nlohmann::json;
using Verb = Result<Report> (*)(const UserOptions&, const DaemonLink&);

Verb function_of(UserVerb verb) {
    switch (verb) {
    case UserVerb::add:
        return add_device;
    case UserVerb::list:
        return list_users;
    case UserVerb::show:
        return show_user;
    case UserVerb::set:
        return set_rights;
    case UserVerb::disable:
    case UserVerb::enable:
        return disable_or_enable;
    case UserVerb::rename:
        return rename;
    case UserVerb::remove:
        return remove;
    case UserVerb::rotate:
        return rotate;
    case UserVerb::qr:
        return show_code;
    case UserVerb::profile:
        break;
    }
    return write_profile;
}

void print_secret(const Report& report) {
    std::cout << "\nFor the authenticator of " << report.whose << ", and for nobody else:\n";
    if (report.with_qr)
        if (const auto qr = QrCode::of(report.secret))
            std::cout << qr->terminal_text(::isatty(STDOUT_FILENO) != 0).view();
    std::cout << report.secret.view() << "\n";
}

Result<void> write_picture(const std::string& path, const WipedText& picture, const std::string& mark, Change* change) {
    return change != nullptr ? change->write_outside(path, picture.view(), mark)
                             : write_file(path, picture.view(), 0600, false);
}

} // namespace

Result<DaemonLink::Told> carry_out(Change& change, const DaemonLink& link, const std::set<std::string>& users,
                                   const std::string& what) {
    if (auto done = change.commit(); !done)
        return done.error();
    // The daemon may not know an earlier change either, if its knockctl was killed.
    auto told = link.reload(change.has_completed_another() ? std::set<std::string>() : users, what);
    if (!told) {
        if (auto back = change.take_back(); !back)
            return std::move(told).error().within("nothing counts, but the files are not as before (" +
                                                  back.error().message + ")");
        // It may have come through, and only the answer was lost.
        if (link.runs())
            (void)link.reload(users, what + ", taken back");
        return told.error();
    }
    if (auto done = change.finish(); !done)
        return std::move(done).error().within("it is done, but not cleared up");
    return told;
}

void tell(Report& report, const DaemonLink::Told& told) {
    report.data["reloaded"] = told.runs;
    report.data["warnings"] = told.warnings;
    for (const std::string& warning : told.warnings)
        report.text += "warning: " + as_line(warning) + "\n";
    if (!told.runs)
        report.after += "xknockd was not told: it reads this when it starts, or by \"knockctl reload\"\n";
}

Result<FactorKind> factor_of(const UserOptions& options) {
    if (options.factor.empty())
        return options.machine ? FactorKind::hmac : FactorKind::totp;
    auto factor = parse_factor_kind(options.factor);
    if (factor)
        return factor;
    return Error{"--factor " + in_quotes(options.factor) + " is no second factor",
                 "totp: a code of the moment; hotp: the next code; hmac: a secret of the machine; none", Exit::usage};
}

Result<void> add_code(Report& report, const UserOptions& options, const config::CredentialFile& device, ByteView secret,
                      Change* change) {
    const std::string host = device.hosts.empty() ? "" : device.hosts.front();
    report.secret = otpauth_uri(device.factor, {device.user, device.device}, host, secret, device.digits.value_or(6));
    report.whose = device.user;
    report.with_qr = !options.no_qr && options.png.empty() && options.svg.empty();
    if (options.png.empty() && options.svg.empty())
        return {};
    const auto code = QrCode::of(report.secret);
    if (!code)
        return code.error();
    const std::string title = "xknock " + to_hex(device.id);
    if (!options.png.empty()) {
        const auto picture = code->png(title);
        if (!picture)
            return picture.error();
        if (auto done = write_picture(options.png, *picture, title, change); !done)
            return done;
        report.data["png"] = options.png;
    }
    if (!options.svg.empty()) {
        if (auto done = write_picture(options.svg, code->svg(title), title, change); !done)
            return done;
        report.data["svg"] = options.svg;
    }
    return {};
}

Result<Report> show_code(const UserOptions& options, const DaemonLink&) {
    const std::string directory = config::directory_of(options.config_file);
    const auto who = parse_who(options.who);
    if (!who)
        return who.error();
    const auto config = config::load_main(options.config_file);
    if (!config)
        return config.error();
    const auto person = find_person(directory, *who, Devices::usual);
    if (!person)
        return person.error();
    const auto device = only_device(*person, *who);
    if (!device)
        return device.error();
    if (!has_codes(device->file.factor))
        return Error{in_quotes(device->label()) + " has no code: its factor is " +
                         std::string(name_of(device->file.factor)),
                     "knockctl user rotate makes new secrets of the same kind", Exit::usage};
    // A code by counter goes on counting, and an authenticator that scans it would begin again.
    const auto secrets = read_secrets(*config, *device);
    if (!secrets)
        return secrets.error();
    Report report;
    report.data = {{"user", device->file.user}, {"device", device->file.device}};
    if (device->file.factor == FactorKind::hotp)
        report.after = "Its authenticator begins with counter 0: where codes were used already, it is refused until\n"
                       "it has caught up. \"knockctl user rotate\" begins anew.\n";
    if (auto done = add_code(report, options, device->file, secrets->factor_bytes(), nullptr); !done)
        return done.error();
    for (const char* picture : {"png", "svg"})
        if (report.data.contains(picture))
            report.text += "wrote " + as_line(report.data[picture].get<std::string>()) + "\n";
    return report;
}

Result<Report> write_profile(const UserOptions& options, const DaemonLink&) {
    const std::string directory = config::directory_of(options.config_file);
    const auto who = parse_who(options.who);
    if (!who)
        return who.error();
    if (auto good = check_hosts(options.hosts, options.server); !good)
        return good.error();
    const auto config = config::load_main(options.config_file);
    if (!config)
        return config.error();
    const auto person = find_person(directory, *who, Devices::usual);
    if (!person)
        return person.error();
    auto device = only_device(*person, *who);
    if (!device)
        return device.error();
    if (!options.hosts.empty())
        device->file.hosts = options.hosts;
    if (!options.server.empty())
        device->file.server = options.server;
    const auto secrets = read_secrets(*config, *device);
    if (!secrets)
        return secrets.error();
    auto delivery = Delivery::plan(options, device->file);
    if (!delivery)
        return delivery.error();
    const auto text = profile_text(*config, person->file, device->file, *secrets);
    if (!text)
        return text.error();
    auto change = Change::begin(directory);
    if (!change)
        return change.error();
    if (auto done = delivery->deliver(*change, device->file, *text, true); !done)
        return done.error();
    if (auto done = change->commit(); !done)
        return done.error();
    if (auto done = change->finish(); !done)
        return done.error();
    Report report;
    report.data = {{"user", device->file.user}, {"device", device->file.device}};
    delivery->report(report.data, report.text);
    report.after = "\nNext: " + delivery->next(device->file) + "\n";
    return report;
}

int run_user_verb(const UserOptions& options, const Control& control) {
    // Nothing that is made here may be for more eyes than it says, nor be left in a core dump.
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (::geteuid() != 0)
        return fail(Error{"only root works with the files of users", "sudo knockctl user ..."});
    const DaemonLink link(options, control);
    auto report = function_of(options.verb)(options, link);
    if (!report)
        return fail(report.error());
    if (control.as_json) {
        if (!report->secret.empty())
            report->data["otpauth"] = std::string(report->secret.view());
        std::cout << text_of(report->data, 2) << "\n";
        return 0;
    }
    std::cout << report->text;
    if (!report->secret.empty())
        print_secret(*report);
    std::cout << report->after;
    return 0;
}

} // namespace xk::tools
