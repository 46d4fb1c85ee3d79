// SPDX-License-Identifier: MIT
// "knockctl user list" and "show": what the files say, and what the daemon knows where one runs.
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "protocol/base/clock.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "tools/knockctl/host/users/verbs.h"
#include "tools/knockctl/show.h"

#include <ctime>
#include <map>

namespace xk::tools {
namespace {

using nlohmann::json;

std::string date_or_empty(const std::optional<WallTime>& time) {
    if (!time)
        return {};
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count();
    std::tm parts{};
    char text[32];
    if (::gmtime_r(&seconds, &parts) == nullptr)
        return {};
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// As the daemon's own words (docs/control.md, "users"), as far as files know.
std::string status_of(bool enabled, const std::optional<WallTime>& from, const std::optional<WallTime>& until) {
    const WallTime now = Now::read().wall;
    return !enabled ? "disabled" : from && now < *from ? "not yet valid" : until && now >= *until ? "expired" : "ok";
}

// The devices that the daemon has, by "user/device". Empty where none runs. `user`: of this one alone.
Result<std::map<std::string, json>> live_devices(const DaemonLink& link, const std::string& user) {
    std::map<std::string, json> devices;
    if (!link.runs())
        return devices;
    json request = {{"verb", "users"}};
    if (!user.empty())
        request["user"] = user;
    const auto reply = link.control().ask(request);
    if (!reply)
        return reply.error();
    for (const json& one : reply->at("users"))
        devices.emplace(one.value("user", "") + "/" + one.value("device", ""), one);
    return devices;
}

// Adds what the daemon knows of the device, or null where it does not know it.
void add_live(json& device, const std::map<std::string, json>& live, const std::string& label) {
    const auto found = live.find(label);
    for (const char* field : {"wrong_codes", "knocks", "last_knock", "last_address"})
        device[field] = found == live.end() ? json() : found->second.value(field, json());
    if (found != live.end())
        device["status"] = found->second.value("status", "");
}

json services_json(const std::vector<std::string>& services) {
    return services.size() == 1 && services.front() == "all" ? json("all") : json(services);
}

std::string shown(const json& value) {
    if (value.is_null())
        return "-";
    if (!value.is_array())
        return value.is_string() ? as_line(value.get<std::string>()) : value.dump();
    std::string text;
    for (const json& one : value)
        text += (text.empty() ? "" : ", ") + shown(one);
    return text.empty() ? "-" : text;
}

json device_json(const DeviceFiles& device, const config::UserFile& user, const std::map<std::string, json>& live) {
    const config::CredentialFile& file = device.file;
    json one = {{"device", file.device},   {"id", to_hex(file.id)}, {"factor", std::string(name_of(file.factor))},
                {"enabled", file.enabled}, {"file", device.path},   {"hosts", file.hosts}};
    one["status"] = status_of(user.enabled && file.enabled, file.valid_from ? file.valid_from : user.valid_from,
                              file.valid_until ? file.valid_until : user.valid_until);
    if (has_codes(file.factor))
        one["digits"] = file.digits.value_or(6);
    if (file.valid_from)
        one["valid_from"] = date_or_empty(file.valid_from);
    if (file.valid_until)
        one["valid_until"] = date_or_empty(file.valid_until);
    add_live(one, live, device.label());
    return one;
}

std::string text_of_device(const json& device, bool runs) {
    std::string text = "  " + shown(device.at("device")) + "\n";
    const auto line = [&](const char* name, const std::string& value) {
        text += "    " + std::string(name) + std::string(12 - std::string_view(name).size(), ' ') + value + "\n";
    };
    line("status", shown(device.at("status")));
    line("factor",
         shown(device.at("factor")) + (device.contains("digits") ? ", " + shown(device.at("digits")) + " digits" : ""));
    line("id", shown(device.at("id")));
    if (!device.at("hosts").empty())
        line("hosts", shown(device.at("hosts")));
    for (const char* date : {"valid_from", "valid_until"})
        if (device.contains(date))
            line(date, shown(device.at(date)));
    if (runs)
        line("last knock", shown(device.at("last_knock")) + " from " + shown(device.at("last_address")) + ", " +
                               shown(device.at("knocks")) + " in all, " + shown(device.at("wrong_codes")) +
                               " wrong codes");
    line("file", shown(device.at("file")));
    return text;
}

std::string text_of_user(const json& user) {
    std::string text = "user        " + shown(user.at("user")) + "\n";
    text += "status      " + shown(user.at("status")) + "\nservices    " + shown(user.at("services")) + "\n";
    for (const char* date : {"valid_from", "valid_until"})
        if (user.contains(date))
            text +=
                std::string(date) + std::string(12 - std::string_view(date).size(), ' ') + shown(user.at(date)) + "\n";
    text += "file        " + shown(user.at("file")) + "\n";
    text += user.at("devices").empty() ? "no device\n" : "devices\n";
    for (const json& device : user.at("devices"))
        text += text_of_device(device, user.at("live") == true);
    return text;
}

} // namespace

Result<Report> show_user(const UserOptions& options, const DaemonLink& link) {
    const auto who = parse_who(options.who);
    if (!who)
        return who.error();
    const auto person = find_person(config::directory_of(options.config_file), *who, Devices::all);
    if (!person)
        return person.error();
    const auto live = live_devices(link, who->user);
    if (!live)
        return live.error();
    const config::UserFile& user = person->file;
    Report report;
    report.data = {{"user", user.name},
                   {"file", person->path},
                   {"enabled", user.enabled},
                   {"status", status_of(user.enabled, user.valid_from, user.valid_until)},
                   {"services", services_json(user.services)},
                   {"devices", json::array()},
                   {"live", link.runs()}};
    if (user.valid_from)
        report.data["valid_from"] = date_or_empty(user.valid_from);
    if (user.valid_until)
        report.data["valid_until"] = date_or_empty(user.valid_until);
    for (const DeviceFiles& device : person->devices)
        if (!who->device || *who->device == device.file.device)
            report.data["devices"].push_back(device_json(device, user, *live));
    report.text = text_of_user(report.data);
    return report;
}

Result<Report> list_users(const UserOptions& options, const DaemonLink& link) {
    const auto config =
        config::load_config(options.config_file, config::Identity::required, config::UserFaults::disable);
    if (!config)
        return config.error();
    const auto live = live_devices(link, "");
    if (!live)
        return live.error();
    std::map<std::string, json> users;
    for (const config::NamedUser& user : config->users) {
        json services = json::array();
        for (std::size_t i = 0; i < config->policy.services.size(); ++i)
            if (user.services.test(i))
                services.push_back(std::string(config->policy.services[i].name.view()));
        users[user.name] = {{"user", user.name}, {"services", services}, {"devices", json::array()}};
    }
    for (const authz::Credential& credential : config->policy.credentials) {
        json device = {{"device", std::string(credential.device.view())},
                       {"id", to_hex(credential.id)},
                       {"factor", std::string(name_of(credential.factor))},
                       {"status", status_of(credential.enabled, credential.valid_from, credential.valid_until)}};
        add_live(device, *live, credential.label());
        users[std::string(credential.user.view())]["devices"].push_back(std::move(device));
    }
    Report report;
    report.data = {{"users", json::array()}, {"disabled", json::array()}, {"live", link.runs()}};
    std::vector<std::vector<std::string>> rows;
    for (auto& [name, user] : users) {
        for (const json& device : user.at("devices"))
            rows.push_back({as_line(name) + "/" + shown(device.at("device")), shown(device.at("factor")),
                            shown(user.at("services")), shown(device.at("status")), shown(device.at("last_knock")),
                            shown(device.at("last_address"))});
        if (user.at("devices").empty())
            rows.push_back({as_line(name), "-", shown(user.at("services")), "no device", "-", "-"});
        report.data["users"].push_back(std::move(user));
    }
    for (const config::Disabled& disabled : config->disabled)
        report.data["disabled"].push_back({{"file", disabled.file}, {"faults", disabled.faults}});
    report.text =
        (rows.empty() ? "no users\n" : table({"USER", "FACTOR", "SERVICES", "STATUS", "LAST", "FROM"}, rows)) +
        show_disabled(report.data);
    return report;
}

} // namespace xk::tools
