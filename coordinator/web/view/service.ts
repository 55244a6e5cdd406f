import type { AuditServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { AccessServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/AccessService.js';
import type { AlertServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/AlertService.js';
import type { BackupServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import type { CertServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/CertService.js';
import type { ContainerServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/ContainerService.js';
import type { FleetServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { KeyServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/KeyService.js';
import type { MetricServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/MetricService.js';
import type { NatServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import type { OperationServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { PersonServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/PersonService.js';
import type { PlanServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import type { VhostServiceDefinition } from '../../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import { serviceName } from '../../../shared/rpc/client.js';

/** The services that pages ask, by noun. */
export const services = {
  access: serviceName<AccessServiceDefinition>('reeve.coordinator.v1.AccessService'),
  alert: serviceName<AlertServiceDefinition>('reeve.coordinator.v1.AlertService'),
  audit: serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService'),
  backup: serviceName<BackupServiceDefinition>('reeve.coordinator.v1.BackupService'),
  cert: serviceName<CertServiceDefinition>('reeve.coordinator.v1.CertService'),
  container: serviceName<ContainerServiceDefinition>('reeve.coordinator.v1.ContainerService'),
  fleet: serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService'),
  host: serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService'),
  key: serviceName<KeyServiceDefinition>('reeve.coordinator.v1.KeyService'),
  metric: serviceName<MetricServiceDefinition>('reeve.coordinator.v1.MetricService'),
  nat: serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService'),
  operation: serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService'),
  person: serviceName<PersonServiceDefinition>('reeve.coordinator.v1.PersonService'),
  plan: serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService'),
  user: serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService'),
  vhost: serviceName<VhostServiceDefinition>('reeve.coordinator.v1.VhostService'),
} as const;
