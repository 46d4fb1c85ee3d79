// SPDX-License-Identifier: MIT
#include "client/last_family.h"

#include "protocol/base/fd.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace xk::client {
namespace {

constexpr std::size_t kMostLines = 256, kMostBytes = 16384;
constexpr const char* kFile = "/families";

// Nothing from a file that is not ours alone: somebody else could choose the family for us.
std::string read_hint(const std::string& file) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 077) != 0)
        return {};
    std::string text(kMostBytes, '\0');
    const ssize_t size = ::read(fd.get(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

// As a whole or not at all: two clients may write at once.
void write_hint(const std::string& file, const std::string& text) {
    std::string temporary = file + ".XXXXXX";
    const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC)); // mode 0600
    if (!fd)
        return;
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::rename(temporary.c_str(), file.c_str()) != 0)
        ::unlink(temporary.c_str());
}

std::string id_of(const Profile& profile) { return to_hex(profile.credential); }

} // namespace

std::string state_directory() {
    const char* const xdg = std::getenv("XDG_STATE_HOME");
    if (xdg != nullptr && xdg[0] == '/')
        return std::string(xdg) + "/xknock";
    const char* const home = std::getenv("HOME");
    return home != nullptr && home[0] == '/' ? std::string(home) + "/.local/state/xknock" : std::string();
}

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
    const Family family = directory.empty() ? Family::any : family_in(read_hint(directory + kFile), id_of(profile));
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
    const std::string file = directory + kFile, before = read_hint(file);
    const Family family = worked.is_v4() ? Family::ipv4 : Family::ipv6;
    if (family_in(before, id_of(profile)) == family)
        return;
    // The last three parts, as far as they are missing (~/.local/state/xknock); a home that is not there is not made.
    const auto state = directory.rfind('/'), local = directory.rfind('/', state - 1);
    for (const std::size_t end : {local, state, directory.size()})
        if (end != std::string::npos && end > 0)
            ::mkdir(directory.substr(0, end).c_str(), 0700);
    write_hint(file, with_family(before, id_of(profile), family));
}

} // namespace xk::client
