import type { AccessServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AccessService.js';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { DoctorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/DoctorService.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { GrantServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GrantService.js';
import type { GroupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GroupService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/KeyService.js';
import type { LoginServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LoginService.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { PackageServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PackageService.js';
import type { PersonServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PersonService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { PolicyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PolicyService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import type { ServiceName } from '../../shared/rpc/client.js';

/** The services of the coordinator that the command line calls. Types only: the gRPC library is loaded when a call is made. */
const named = <Definition>(name: string): ServiceName<Definition> => name;

export const accessService = named<AccessServiceDefinition>('reeve.coordinator.v1.AccessService');
export const auditService = named<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
export const doctorService = named<DoctorServiceDefinition>('reeve.coordinator.v1.DoctorService');
export const enrolService = named<EnrolServiceDefinition>('reeve.coordinator.v1.EnrolService');
export const fleetService = named<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
export const grantService = named<GrantServiceDefinition>('reeve.coordinator.v1.GrantService');
export const groupService = named<GroupServiceDefinition>('reeve.coordinator.v1.GroupService');
export const hostService = named<HostServiceDefinition>('reeve.coordinator.v1.HostService');
export const keyService = named<KeyServiceDefinition>('reeve.coordinator.v1.KeyService');
export const loginService = named<LoginServiceDefinition>('reeve.coordinator.v1.LoginService');
export const operationService = named<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
export const operatorService = named<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
export const packageService = named<PackageServiceDefinition>('reeve.coordinator.v1.PackageService');
export const personService = named<PersonServiceDefinition>('reeve.coordinator.v1.PersonService');
export const planService = named<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
export const policyService = named<PolicyServiceDefinition>('reeve.coordinator.v1.PolicyService');
export const userService = named<UserServiceDefinition>('reeve.coordinator.v1.UserService');
