// SPDX-License-Identifier: MIT
//
// The verb ls: the profiles, and how each was used last.
#include "client/last_use.h"
#include "client/profile_list.h"
#include "client/settings.h"
#include "client/verbs.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <ctime>

namespace xk::client {
namespace {

using Json = nlohmann::ordered_json;

std::string local_text(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    char text[32];
    return ::localtime_r(&seconds, &parts) == nullptr
               ? std::string()
               : std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts));
}

std::string utc_text(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    char text[32];
    return ::gmtime_r(&seconds, &parts) == nullptr
               ? std::string()
               : std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::string hosts_text(const Profile& profile) {
    std::string text;
    for (const std::string& host : profile.hosts)
        text += (text.empty() ? "" : ", ") + printable(host);
    return text.empty() ? "none" : text;
}

std::string use_text(const Profile& profile) {
    const auto use = last_use(profile);
    return use ? use->outcome + " " + local_text(use->time) : "never";
}

// Each fault on a line of its own, below the first one.
std::string faults_text(const std::string& message) {
    std::string text;
    for (const char c : as_lines(message))
        text += c == '\n' ? std::string("\n              ") : std::string(1, c);
    return text;
}

void print(const ListedProfile& one) {
    if (!one.profile) {
        std::printf("%s\n  refused     %s\n", as_line(one.file).c_str(),
                    faults_text(one.profile.error().message).c_str());
        return;
    }
    std::printf("%s (%s)\n  hosts       %s\n  factor      %s%s\n%s  last use    %s\n",
                printable(one.profile->name).c_str(), as_line(one.file).c_str(), hosts_text(*one.profile).c_str(),
                std::string(name_of(one.profile->factor)).c_str(), one.profile->is_automatic() ? "" : ", asked for",
                one.profile->by_handshake() ? "  mode        handshake\n" : "", use_text(*one.profile).c_str());
}

Json json_of(const ListedProfile& one) {
    if (!one.profile)
        return {{"file", as_line(one.file)}, {"refused", as_lines(one.profile.error().message)}};
    Json hosts = Json::array();
    for (const std::string& host : one.profile->hosts)
        hosts.push_back(printable(host));
    Json json = {{"profile", printable(one.profile->name)},
                 {"file", as_line(one.file)},
                 {"hosts", std::move(hosts)},
                 {"factor", name_of(one.profile->factor)},
                 {"mode", name_of(one.profile->mode)},
                 {"asks", !one.profile->is_automatic()}};
    if (const auto use = last_use(*one.profile)) {
        json["last_use"] = utc_text(use->time);
        json["outcome"] = use->outcome;
    }
    return json;
}

} // namespace

int run_ls(const Arguments& a) {
    const auto own = profile_directory();
    if (!own && a.profiles.empty())
        return fail(own.error());
    auto all = list_profiles(a.profiles.empty() ? *own : a.profiles);
    if (!all) {
        all.error().exit = Exit::configuration;
        return fail(all.error());
    }
    if (own) // a program that gives codes is known there
        for (ListedProfile& one : *all)
            if (one.profile)
                if (auto done = apply_settings(*own, *one.profile); !done)
                    return fail(done.error());
    Json list = Json::array();
    for (const ListedProfile& one : *all)
        if (a.json)
            list.push_back(json_of(one));
        else
            print(one);
    if (a.json)
        std::printf("%s\n", list.dump(2).c_str());
    return 0;
}

} // namespace xk::client
