// SPDX-License-Identifier: MIT
#include "client/last_family.h"

#include "client/state_file.h"
#include "protocol/encoding.h"

#include <algorithm>
#include <sstream>

namespace xk::client {
namespace {

constexpr std::size_t kMostLines = 256;
constexpr const char* kFile = "/families";

std::string id_of(const Profile& profile) { return to_hex(profile.credential); }

} // namespace

Family family_in(const std::string& text, const std::string& credential) {
    std::istringstream lines(text);
    Family family = Family::any;
    for (std::string line; std::getline(lines, line);)
        if (line == credential + " ipv4")
            family = Family::ipv4;
        else if (line == credential + " ipv6")
            family = Family::ipv6;
    return family;
}

std::string with_family(const std::string& text, const std::string& credential, Family family) {
    std::vector<std::string> kept;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (!line.empty() && line.rfind(credential + " ", 0) != 0)
            kept.push_back(line);
    kept.push_back(credential + (family == Family::ipv4 ? " ipv4" : " ipv6"));
    std::string all;
    for (std::size_t i = kept.size() > kMostLines ? kept.size() - kMostLines : 0; i < kept.size(); ++i)
        all += kept[i] + "\n";
    return all;
}

void put_last_family_first(const Profile& profile, std::vector<Place>& places) {
    const std::string directory = state_directory();
    const Family family = directory.empty() ? Family::any : family_in(read_state(directory + kFile), id_of(profile));
    if (family == Family::any || places.empty() || places.front().is_v4() == (family == Family::ipv4))
        return;
    std::stable_partition(places.begin(), places.end(),
                          [&](const Place& p) { return p.is_v4() == (family == Family::ipv4); });
    places = interleaved(places);
}

void remember_family(const Profile& profile, const Address& worked) {
    const std::string directory = state_directory();
    if (directory.empty())
        return;
    const std::string file = directory + kFile, before = read_state(file);
    const Family family = worked.is_v4() ? Family::ipv4 : Family::ipv6;
    if (family_in(before, id_of(profile)) == family)
        return;
    made_state_directory();
    write_state(file, with_family(before, id_of(profile), family));
}

} // namespace xk::client
