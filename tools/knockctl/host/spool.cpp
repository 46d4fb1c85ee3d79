// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/spool.h"

#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace xk::tools {
namespace {

struct Login {
    uid_t uid;
    gid_t gid;
};

Result<Login> find_login(const std::string& name) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> memory(1024);
    int code = ERANGE;
    while ((code = ::getpwnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found)) == ERANGE &&
           memory.size() < std::size_t{1} << 20)
        memory.resize(memory.size() * 2);
    // Some name services report an unknown name as an error.
    if (code != 0 && code != ENOENT && code != ESRCH)
        return os_error_of(code, "looking for login " + in_quotes(name));
    if (found == nullptr)
        return Error{"this host has no login " + in_quotes(name),
                     "--login names the account by which the person comes by ssh", Exit::usage};
    return Login{found->pw_uid, found->pw_gid};
}

// Only root may choose what lies in the spool.
Result<void> check_spool(const std::string& spool) {
    struct stat st {};
    if (::lstat(spool.c_str(), &st) != 0)
        return os_error("opening " + in_quotes(spool));
    if (!S_ISDIR(st.st_mode))
        return Error{in_quotes(spool) + " is not a directory", "put a directory there, of root, mode 0711"};
    if (st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
        return Error{in_quotes(spool) + " can be written by others",
                     "chown root " + as_line(spool) + " && chmod 0711 " + as_line(spool)};
    return {};
}

} // namespace

Result<void> check_login(const std::string& login) {
    // It becomes a directory's name, wherever the account comes from.
    if (login.empty() || login.size() > 255 || login.front() == '.' || login.find('/') != login.npos ||
        printable(login) != login)
        return Error{in_quotes(login) + " is not a login's name", "--login names an account of this host", Exit::usage};
    auto found = find_login(login);
    return found ? Result<void>() : Result<void>(found.error());
}

std::string spool_path(const std::string& spool, const std::string& login, const std::string& device) {
    return spool + "/" + login + "/" + device + ".yaml";
}

Result<std::string> put_into_spool(const std::string& spool, const std::string& login, const std::string& device,
                                   std::string_view profile, Unfetched unfetched) {
    if (auto good = check_login(login); !good)
        return good.error();
    const auto owner = find_login(login);
    if (!owner)
        return owner.error();
    if (auto made = create_directory(spool, 0711, {}, {}); !made)
        return made.error();
    if (auto good = check_spool(spool); !good)
        return good.error();
    if (auto made = make_directory(spool + "/" + login, 0700, owner->uid, owner->gid); !made)
        return made.error();
    const std::string path = spool_path(spool, login, device);
    struct stat st {};
    if (unfetched == Unfetched::keep && ::lstat(path.c_str(), &st) == 0)
        return Error{in_quotes(path) + " waits there already, and was not fetched",
                     "remove it, if nobody needs it any more, or give the device another name"};
    auto done = write_file(path, profile, 0600, unfetched == Unfetched::replace, owner->gid, true, owner->uid);
    return done ? Result(path) : Result<std::string>(done.error());
}

} // namespace xk::tools
