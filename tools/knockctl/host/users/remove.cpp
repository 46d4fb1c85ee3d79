// SPDX-License-Identifier: MIT
// "knockctl user remove": a user with all devices, or one device.
#include "daemon/config/machines.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/host/users/verbs.h"

#include <unistd.h>

#include <iostream>

namespace xk::tools {
namespace {

Result<void> ask(const std::string& what) {
    if (::isatty(STDIN_FILENO) == 0)
        return Error{"this removes " + what + ", and nobody can be asked", "be sure: --yes", Exit::usage};
    std::cerr << "This removes " << as_line(what) << ".\nGo on? [y/N] " << std::flush;
    std::string answer;
    if (!std::getline(std::cin, answer) || (answer != "y" && answer != "yes"))
        return Error{"nothing was removed", {}};
    return {};
}

std::vector<DeviceFiles> meant_devices(const Person& person, const Who& who) {
    std::vector<DeviceFiles> meant;
    for (const DeviceFiles& device : person.devices)
        if (!who.device || device.file.device == *who.device)
            meant.push_back(device);
    return meant;
}

std::string text_of(const Who& who, const std::vector<DeviceFiles>& devices) {
    if (who.device)
        return "device " + who.text();
    std::string text = "user " + who.user;
    for (std::size_t i = 0; i < devices.size(); ++i)
        text += (i == 0 ? " with " : ", ") + devices[i].label();
    return text;
}

} // namespace

Result<Report> remove(const UserOptions& options, const DaemonLink& link) {
    const std::string directory = config::directory_of(options.config_file);
    const auto who = parse_who(options.who);
    if (!who)
        return who.error();
    if (!options.yes) { // without the lock: an answer may take long
        const auto person = find_person(directory, *who, Devices::all);
        if (!person)
            return person.error();
        if (auto answer = ask(text_of(*who, meant_devices(*person, *who))); !answer)
            return answer.error();
    }
    Report report;
    // Sessions can be ended by name only while the name is known, and nobody may begin one meanwhile.
    if (options.now) {
        UserOptions shut = options;
        shut.verb = UserVerb::disable;
        auto done = disable_or_enable(shut, link);
        if (!done)
            return done;
        report.data.update(done->data);
        report.text = done->text;
    }
    auto change = Change::begin(directory);
    if (!change)
        return change.error();
    const auto person = find_person(directory, *who, Devices::all);
    if (!person)
        return person.error();
    const std::vector<DeviceFiles> devices = meant_devices(*person, *who);
    std::vector<std::string> files;
    for (const DeviceFiles& device : devices) {
        change->remove(device.path);
        files.push_back(device.path);
        for (const std::string& secret : {device.key, device.factor})
            if (!secret.empty()) {
                change->remove_at_end(secret);
                files.push_back(secret);
            }
    }
    if (!who->device) { // last: no device may be without its user
        change->remove(person->path);
        files.push_back(person->path);
    }
    const auto told = carry_out(*change, link, {who->user}, text_of(*who, devices) + " removed");
    if (!told)
        return told.error();
    report.data.update({{"removed", who->text()}, {"files", files}});
    report.data.erase("enabled");
    report.data.erase("changed");
    for (const std::string& file : files)
        report.text += "removed " + as_line(file) + "\n";
    report.text += "removed " + text_of(*who, devices) + "\n";
    tell(report, *told);
    return report;
}

} // namespace xk::tools
