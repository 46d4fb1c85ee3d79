// SPDX-License-Identifier: MIT
#include "protocol/base/output.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/command_line.h"

#include <unistd.h>

#include <climits>

namespace {

using namespace xk;
using namespace xk::tools;

char** arguments = nullptr;

// knockctl-host lies beside this program (where both were built), where libexec is, seen from sbin, or where it is
// installed.
int hand_over() {
    char self[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
    if (size <= 0 || size == sizeof self)
        return fail(os_error("looking for this program itself"));
    const std::string own(self, static_cast<std::size_t>(size));
    const std::string directory = own.substr(0, own.rfind('/') + 1);
    const std::string installed = XK_LIBEXEC "/knockctl-host";
    for (const std::string& path :
         {directory + "knockctl-host", directory + XK_LIBEXEC_FROM_SBIN "/knockctl-host", installed})
        ::execv(path.c_str(), arguments);
    return fail(os_error("starting " + in_quotes(installed)));
}

constexpr HostVerbs kHandedOver{
    .put_on_trial = [](const Control&, const std::string&, const std::string&) { return hand_over(); },
    .check = [](const std::string&, bool) { return hand_over(); },
    .examine = [](const std::string&, const Control&) { return hand_over(); },
    .keep_identity = [](const std::string&, bool) { return hand_over(); },
    .make_new_identity = [](const std::string&, bool) { return hand_over(); },
    .set_up = [](const SetupOptions&, const Control&) { return hand_over(); },
    .users = [](const UserOptions&, const Control&) { return hand_over(); },
    .take_over = [](const ImportOptions&, const Control&) { return hand_over(); }};

} // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    arguments = argv;
    return finish_output("knockctl", run_command_line(argc, argv, kHandedOver));
}
