// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/generation.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/directory.h"

#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::test;

namespace {

struct Firmware {
    const TemporaryDirectory directory;
    const Generation::Files files{directory.path() + "/devices", directory.path() + "/sci"};

    explicit Firmware(const std::string& names) {
        std::filesystem::create_directories(files.devices + "/LNXSYSTM:00");
        std::filesystem::create_directories(files.devices + "/QEMUVGID:00");
        write(files.devices + "/LNXSYSTM:00/modalias", "acpi:LNXSYSTM:\n");
        write(files.devices + "/QEMUVGID:00/modalias", names);
        interrupt("     120     unmasked\n");
    }
    void interrupt(const std::string& line) const { write(files.interrupts, line); }
    static void write(const std::string& file, const std::string& text) { std::ofstream(file) << text; }
};

constexpr const char* kGenerationId = "acpi:QEMUVGID:VM_Gen_Counter:\n";

} // namespace

TEST_CASE("an interrupt of a firmware with a generation id is noticed once") {
    const Firmware firmware(kGenerationId);
    Generation generation = Generation::watch(firmware.files);
    CHECK_FALSE(generation.may_have_changed());
    firmware.interrupt("     121     unmasked\n");
    CHECK(generation.may_have_changed());
    CHECK_FALSE(generation.may_have_changed());
}

TEST_CASE("a generation id counts in the spelling of every hypervisor") {
    const Firmware firmware("acpi:HYPER_V_GEN_COUNTER_V1:VM_GEN_COUNTER:\n");
    Generation generation = Generation::watch(firmware.files);
    firmware.interrupt("121\n");
    CHECK(generation.may_have_changed());
}

TEST_CASE("interrupts of a firmware without a generation id say nothing") {
    const Firmware firmware("acpi:PNP0A03:\n");
    Generation generation = Generation::watch(firmware.files);
    firmware.interrupt("     121     unmasked\n");
    CHECK_FALSE(generation.may_have_changed());
}

TEST_CASE("a count that cannot be read is no change") {
    const Firmware firmware(kGenerationId);
    Generation generation = Generation::watch(firmware.files);
    for (const char* text : {"", "     ", "none\n"}) {
        CAPTURE(text);
        firmware.interrupt(text);
        CHECK_FALSE(generation.may_have_changed());
    }
    firmware.interrupt("     122     unmasked\n");
    CHECK_FALSE(generation.may_have_changed()); // nothing to compare with
    const TemporaryDirectory empty;
    CHECK_FALSE(Generation::watch({empty.path() + "/devices", empty.path() + "/sci"}).may_have_changed());
}
