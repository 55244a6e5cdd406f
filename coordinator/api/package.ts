import type { PackageServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PackageService.js';
import { parseArchitecture, parsePackageName, parsePackageVersion, type PackageFile } from '../../shared/model/package.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { openPackageFolder, type PackageFolder } from '../../shared/kit/package-folder.js';
import type { OperatorCaller } from './caller.js';
import { reads } from './row.js';

/** The agent's packages, for operators. They are public, so any operator may have them; none of it needs a fleet. */
export function packageService(packageDir: string): Service<OperatorCaller> {
  const folder = openPackageFolder(packageDir);
  return defineService<PackageServiceDefinition, OperatorCaller>('reeve.coordinator.v1.PackageService', {
    ListPackage: { ...reads, handle: async (request) => ({ packages: [...(await folder.list(parseArchitecture(request.architecture)))] }) },
    GetPackage: {
      ...reads,
      handle: (request) =>
        pieces(folder, { name: parsePackageName(request.name), version: parsePackageVersion(request.version), architecture: parseArchitecture(request.architecture) }),
    },
  });
}

async function* pieces(folder: PackageFolder, wanted: PackageFile): AsyncGenerator<{ data: Buffer }> {
  for await (const data of folder.read(wanted)) yield { data };
}
