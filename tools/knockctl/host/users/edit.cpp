// SPDX-License-Identifier: MIT
// "knockctl user set", "disable" and "enable": change keys of one file.
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/service.h"
#include "protocol/yaml/document.h"
#include "tools/knockctl/closing.h"
#include "tools/knockctl/host/users/hosts.h"
#include "tools/knockctl/host/users/verbs.h"

#include <algorithm>
#include <map>

namespace xk::tools {
namespace {

using nlohmann::json;

enum class ValueForm { word, list, truth };

struct Setting {
    std::string_view name;
    ValueForm form;
    bool of_users, of_devices;
};
constexpr Setting kKeys[] = {{"services", ValueForm::list, true, false},
                             {"modes", ValueForm::list, true, false},
                             {"binding", ValueForm::word, true, false},
                             {"networks", ValueForm::list, true, false},
                             {"explicit_networks", ValueForm::list, true, false},
                             {"hours", ValueForm::list, true, false},
                             {"lifetime", ValueForm::word, true, false},
                             {"max_lifetime", ValueForm::word, true, false},
                             {"enabled", ValueForm::truth, true, true},
                             {"valid_from", ValueForm::word, true, true},
                             {"valid_until", ValueForm::word, true, true},
                             {"hosts", ValueForm::list, false, true},
                             {"server", ValueForm::word, false, true}};

// Keys that another verb changes, or only an editor.
constexpr std::pair<std::string_view, std::string_view> kElsewhere[] = {
    {"name", "knockctl user rename"},
    {"user", "knockctl user rename"},
    {"device", "knockctl user rename"},
    {"id", "knockctl user rotate"},
    {"secrets", "knockctl user rotate"},
    {"factor", "knockctl user rotate keeps it; "
               "remove the device and add it "
               "with another one"},
    {"digits", "knockctl user rotate keeps them; remove the device and add it with others"},
    {"lockout", "write it into the file: it is a mapping"}};

// As YAML in one line.
std::string yaml_word(const std::string& value) {
    const bool is_plain = !value.empty() && std::ranges::all_of(value, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
    return is_plain && value.front() != '-' ? value : json(value).dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string yaml_list(const std::string& value) {
    std::string list;
    for (std::size_t at = 0; at <= value.size();) {
        const auto end = std::min(value.find(',', at), value.size());
        std::string item = value.substr(at, end - at);
        item.erase(0, item.find_first_not_of(' '));
        item.erase(item.find_last_not_of(' ') + 1);
        list += (list.empty() ? "" : ", ") + json(item).dump(-1, ' ', true, json::error_handler_t::replace);
        at = end + 1;
    }
    return "[" + list + "]";
}

Result<const Setting*> find_key(const std::string& name, bool of_device) {
    for (const auto& [key, where] : kElsewhere)
        if (key == name)
            return Error{in_quotes(name) + " is not changed by \"set\"", std::string(where), Exit::usage};
    std::set<std::string> names;
    for (const Setting& key : kKeys) {
        if (key.name == name && (of_device ? key.of_devices : key.of_users))
            return &key;
        if (key.name == name)
            return Error{in_quotes(name) + (of_device ? " is a right of the user, not of a device"
                                                      : " belongs to a device, not to the user"),
                         of_device ? "name the user alone" : "name the device: USER/DEVICE", Exit::usage};
        if (of_device ? key.of_devices : key.of_users)
            names.emplace(key.name);
    }
    std::string all;
    for (const std::string& one : names)
        all += (all.empty() ? "" : ", ") + one;
    const auto meant = nearest(name, names);
    return Error{"there is no key " + in_quotes(name),
                 meant ? "did you mean " + in_quotes(*meant) + "?" : "keys: " + all, Exit::usage};
}

// "KEY=VALUE"
Result<yaml::Edit> parse_setting(const std::string& setting, bool of_device) {
    const auto equals = setting.find('=');
    if (equals == setting.npos)
        return Error{in_quotes(setting) + " is not KEY=VALUE", "for example lifetime=30s, or lifetime= to take it out",
                     Exit::usage};
    const std::string name = setting.substr(0, equals), value = setting.substr(equals + 1);
    const auto key = find_key(name, of_device);
    if (!key)
        return key.error();
    if (value.empty() && name == "services")
        return Error{"a user has services: name them, or write services=all",
                     "\"knockctl user disable\" lets them open nothing", Exit::usage};
    if (value.empty())
        return yaml::Edit{name, std::nullopt};
    if (printable(value, value.size()) != value)
        return Error{"the value of " + in_quotes(name) + " has characters that cannot be printed", {}, Exit::usage};
    if ((*key)->form == ValueForm::list && value != kAllServices)
        return yaml::Edit{name, yaml_list(value)};
    return yaml::Edit{name, yaml_word(value)};
}

// A service that does not exist is found before anything is written.
Result<void> check_services(const UserOptions& options, const config::UserFile& user) {
    const auto config = config::load_main(options.config_file);
    if (!config)
        return config.error();
    std::set<std::string> names;
    for (const authz::Service& service : config->policy.services)
        names.emplace(service.name.view());
    for (const std::string& service : user.services) {
        const auto meant = nearest(service, names);
        if (service != kAllServices && !names.contains(service))
            return Error{"there is no service " + in_quotes(service),
                         meant ? "did you mean " + in_quotes(*meant) + "?"
                               : "services are named in " + options.config_file,
                         Exit::usage};
    }
    return {};
}

// The file that the options mean: of the user, or of one of their devices.
struct Target {
    Who who;
    Person person;
    std::optional<DeviceFiles> device;

    const std::string& path() const { return device ? device->path : person.path; }
    const std::string& text() const { return device ? device->text : person.text; }
    bool is_enabled() const { return device ? device->file.enabled : person.file.enabled; }
    Result<std::string> edit(const std::vector<yaml::Edit>& edits) const {
        return device ? edit_device(*device, edits) : edit_user(person, edits);
    }
};

Result<Target> find_target(const std::string& directory, const std::string& text) {
    auto who = parse_who(text);
    if (!who)
        return who.error();
    auto person = find_person(directory, *who, who->device ? Devices::usual : Devices::none);
    if (!person)
        return person.error();
    Target target{*who, *std::move(person), {}};
    if (!who->device)
        return target;
    auto device = only_device(target.person, *who);
    if (!device)
        return device.error();
    target.device = *std::move(device);
    return target;
}

// The daemon has closed grants and ended sessions when it read that nobody may knock any more. This asks once more by
// name, because its log alone would say what it could not end.
Result<void> end_sessions(Report& report, const DaemonLink& link, const std::string& who) {
    if (!link.runs())
        return Error{who + " cannot knock any more, but no xknockd runs that could end sessions",
                     "systemctl start xknockd, and knockctl close " + who + " --cut"};
    const auto reply = link.control().ask(close_request(who, true));
    if (!reply)
        return Error(reply.error()).within(who + " cannot knock any more, but");
    report.data["closed"] = reply->value("closed", 0u);
    report.data["ended"] = reply->value("ended", 0u);
    report.text += "the grants of " + who + " are closed, and their sessions are over";
    if (const unsigned shared = reply->value("shared", 0u); shared > 0)
        report.text += ", but for those at " + counted(shared, "grant") + " that may be somebody else's";
    report.text += "\n";
    return {};
}

} // namespace

Result<Report> set_rights(const UserOptions& options, const DaemonLink& link) {
    const std::string directory = config::directory_of(options.config_file);
    auto change = Change::begin(directory);
    if (!change)
        return change.error();
    const auto target = find_target(directory, options.who);
    if (!target)
        return target.error();
    std::vector<yaml::Edit> edits;
    std::string what;
    for (const std::string& setting : options.settings) {
        auto edit = parse_setting(setting, target->device.has_value());
        if (!edit)
            return edit.error();
        if (std::ranges::find(edits, edit->key, &yaml::Edit::key) != edits.end())
            return Error{in_quotes(edit->key) + " is there twice", "lists have commas: services=ssh,web", Exit::usage};
        what += (what.empty() ? "" : ", ") + edit->key + (edit->value ? " " + *edit->value : " taken out");
        edits.push_back(*std::move(edit));
    }
    const auto text = target->edit(edits);
    if (!text)
        return text.error();
    if (!target->device) {
        Person changed = target->person;
        yaml::Faults faults;
        if (auto section = yaml::read(*text, target->path(), faults))
            changed.file = config::read_user_file(*section, [](std::string_view) { return Result<void>(); });
        if (auto good = check_services(options, changed.file); !good)
            return good.error();
    }
    Report report;
    report.data = {{"user", target->who.user}, {"file", target->path()}, {"changed", *text != target->text()}};
    if (*text == target->text()) {
        report.text = target->who.text() + " has this already\n";
        return report;
    }
    if (auto done = change->replace(target->path(), target->text(), *text); !done)
        return done.error();
    const auto told =
        carry_out(*change, link, {target->who.user}, (target->device ? *target->who.device + " " : "") + what);
    if (!told)
        return told.error();
    report.text = target->who.text() + ": " + as_line(what) + "\n";
    tell(report, *told);
    return report;
}

Result<Report> disable_or_enable(const UserOptions& options, const DaemonLink& link) {
    const bool enabled = options.verb == UserVerb::enable;
    const std::string directory = config::directory_of(options.config_file);
    auto change = Change::begin(directory);
    if (!change)
        return change.error();
    const auto target = find_target(directory, options.who);
    if (!target)
        return target.error();
    const std::string who = target->who.text(), word = enabled ? "enabled" : "disabled";
    Report report;
    report.data = {{"user", target->who.user}, {"enabled", enabled}, {"changed", target->is_enabled() != enabled}};
    if (target->who.device)
        report.data["device"] = *target->who.device;
    if (target->is_enabled() != enabled) {
        const auto text = target->edit({{"enabled", enabled ? "true" : "false"}});
        if (!text)
            return text.error();
        if (auto done = change->replace(target->path(), target->text(), *text); !done)
            return done.error();
    }
    // Told in any case: the file may have been changed by hand before, and not been read.
    const auto told = carry_out(*change, link, {target->who.user},
                                (target->device ? "device " + *target->who.device + " " : "") + word);
    if (!told)
        return told.error();
    report.text = who + (target->is_enabled() != enabled ? " is " + word : " was " + word + " already") + "\n";
    if (target->device && enabled && !target->person.file.enabled)
        report.text += "but user " + target->who.user + " is disabled: knockctl user enable " + target->who.user + "\n";
    if (options.now)
        if (auto ended = end_sessions(report, link, who); !ended)
            return ended.error();
    tell(report, *told);
    return report;
}

} // namespace xk::tools
