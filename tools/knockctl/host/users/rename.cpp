// SPDX-License-Identifier: MIT
// "knockctl user rename": ids and secrets stay, so profiles, the memory of knocks and wrong codes go on to work.
#include "daemon/config/machines.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/host/users/verbs.h"

#include <sys/stat.h>

namespace xk::tools {
namespace {

bool is_taken(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

std::string stem_of(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    return name.substr(0, name.rfind('.'));
}

// The secrets keep their names, because then one rename(2) of the .yaml is all that is needed.
Result<void> rename_device(Change& change, const DeviceFiles& device, const Who& from, const Who& to) {
    std::vector<yaml::Edit> edits;
    if (from.user != to.user)
        edits.push_back({"user", to.user});
    if (from.device != to.device)
        edits.push_back({"device", *to.device});
    if (!device.file.secrets)
        edits.push_back({"secrets", in_quotes(stem_of(device.key))});
    const auto text = edit_device(device, edits);
    if (!text)
        return text.error();
    if (auto done = change.replace(device.path, device.text, *text); !done)
        return done;
    if (stem_of(device.path) != from.user + "." + *from.device)
        return {}; // a name that somebody chose
    const std::string named = device.path.substr(0, device.path.rfind('/') + 1) + to.user + "." + *to.device + ".yaml";
    if (is_taken(named))
        return Error{in_quotes(named) + " exists", "look at it, and remove it if nobody needs it"};
    change.move(device.path, named);
    return {};
}

// The new file is there before the devices name its user, and the old one goes when none does.
Result<void> rename_user(Change& change, const std::string& directory, const Person& person, const std::string& name) {
    const auto taken = find_known_person(directory, name, Devices::none);
    const std::string path = directory + "/users/" + name + ".yaml";
    if (!taken)
        return taken.error();
    if (*taken || is_taken(path))
        return Error{"user " + in_quotes(name) + " exists", "take another name"};
    const auto text = edit_user(person, {{"name", name}});
    if (!text)
        return text.error();
    struct stat st {};
    if (::stat(person.path.c_str(), &st) != 0)
        return os_error("opening " + in_quotes(person.path));
    if (auto done = change.create(path, *text, st.st_mode & 07777, st.st_gid); !done)
        return done;
    for (const DeviceFiles& device : person.devices)
        if (auto done =
                rename_device(change, device, {person.file.name, device.file.device}, {name, device.file.device});
            !done)
            return done;
    change.remove(person.path);
    return {};
}

} // namespace

Result<Report> rename(const UserOptions& options, const DaemonLink& link) {
    const std::string directory = config::directory_of(options.config_file);
    const auto who = parse_who(options.who);
    if (!who)
        return who.error();
    const std::string& name = options.new_name;
    if (auto good = check_name(name, who->device ? "device" : "user"); !good)
        return good.error();
    auto change = Change::begin(directory);
    if (!change)
        return change.error();
    const auto person = find_person(directory, *who, Devices::all);
    if (!person)
        return person.error();
    if (name == (who->device ? *who->device : who->user))
        return Error{who->text() + " has this name already", {}, Exit::usage};
    std::set<std::string> users = {who->user};
    if (who->device) {
        for (const DeviceFiles& other : person->devices)
            if (other.file.device == name)
                return Error{"device " + in_quotes(other.label()) + " exists", "take another name"};
        const auto device = only_device(*person, *who);
        if (!device)
            return device.error();
        if (auto done = rename_device(*change, *device, *who, {who->user, name}); !done)
            return done.error();
    } else {
        if (auto done = rename_user(*change, directory, *person, name); !done)
            return done.error();
        users.insert(name);
    }
    const std::string to = who->device ? who->user + "/" + name : name;
    const auto told = carry_out(*change, link, users, who->text() + " renamed to " + to);
    if (!told)
        return told.error();
    Report report;
    report.data = {{"from", who->text()}, {"to", to}};
    report.text = who->text() + " is " + to + " now; profiles go on to work\n";
    tell(report, *told);
    return report;
}

} // namespace xk::tools
